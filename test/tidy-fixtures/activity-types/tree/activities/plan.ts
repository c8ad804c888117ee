export type Plan = unknown
export const planRelease = 1
