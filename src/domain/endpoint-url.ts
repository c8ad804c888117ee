/** Where a path of a protocol is below the URL of an endpoint, which people write with a slash at its end or without. */
export const endpointUrl = (base: string, path: string): string => `${base.replace(/\/+$/, '')}/${path}`
