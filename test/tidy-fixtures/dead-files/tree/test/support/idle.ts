export const idle = 1
