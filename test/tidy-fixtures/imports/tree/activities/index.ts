export type Activities = unknown
