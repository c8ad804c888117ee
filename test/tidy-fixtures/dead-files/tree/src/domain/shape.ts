export type Shape = number
