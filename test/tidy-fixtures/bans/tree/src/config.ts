export const home = process.env.HOME
export const now = Date.now()
