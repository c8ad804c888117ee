export class SluiceError extends Error {}
