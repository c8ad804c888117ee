import { createHash } from 'node:crypto'

const tokensPerBlock = 128
const charactersPerBlock = tokensPerBlock * 4
/** Shorter beginnings are not cached, as with large providers. */
const minimumTokens = 1024
const maxBlocks = 200_000

/** Tells how many leading tokens of a prompt were seen before; remembers them. */
export interface PromptCache {
  cachedTokens(promptText: string): number
}

/** Remembers the blocks of each prompt by the hash of everything up to them; the oldest are forgotten. */
export function createPromptCache(): PromptCache {
  const seen = new Set<string>()
  return {
    cachedTokens(promptText) {
      const hash = createHash('sha256')
      let cached = 0
      let unbroken = true
      const blocks = Math.floor(promptText.length / charactersPerBlock)
      for (let block = 0; block < blocks; block += 1) {
        hash.update(promptText.slice(block * charactersPerBlock, (block + 1) * charactersPerBlock))
        const key = hash.copy().digest('base64')
        unbroken &&= seen.has(key)
        if (unbroken) cached += tokensPerBlock
        seen.add(key)
        if (seen.size > maxBlocks) seen.delete(seen.values().next().value ?? '')
      }
      return cached >= minimumTokens ? cached : 0
    },
  }
}
