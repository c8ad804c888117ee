import { dotprompt } from './dotprompt'
import type { Importer } from './importer'
import { langfuse } from './langfuse'
import { openai } from './openai'
import { openaiEvals } from './openai-evals'
import { promptfoo } from './promptfoo'

/** Every foreign format by its name on the command line. */
export const importers = {
  langfuse,
  openai,
  promptfoo,
  'openai-evals': openaiEvals,
  dotprompt,
} as const satisfies Record<string, Importer>
