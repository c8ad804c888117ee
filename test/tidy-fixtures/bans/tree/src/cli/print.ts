export const line = (text: string) => console.log(text)
