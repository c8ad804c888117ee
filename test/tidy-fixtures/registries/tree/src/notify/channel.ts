export type Channel = unknown
