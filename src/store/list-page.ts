/** The API shows up to 200 items a page, and reads one more to see whether another page follows. */
export const maxPage = 201
