import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorTable } from '../src/errors'

const page = 'docs/errors.md'

const head = `# Errors

Every refusal of the API, the CLI and the SDK carries one of these codes. A code is stable: programs may switch on it; the
message beside it is for people and may change. The API answers \`application/problem+json\` (RFC 9457) with \`code\`,
\`detail\` and \`details\`; the CLI prints code, message and the sentence below, and exits with 3 where the status is 409 (refused by
a gate), else with 1. _Retry_ says whether the same call may succeed later without a change.

This page is written from \`src/errors.ts\` by \`tools/docs-errors.ts\`.

| code | status | retry | what it means and what to do |
| --- | --- | --- | --- |
`

/** The page of all error codes, one row each, in the order of the table. */
export function errorPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { status, retryable, help }]) =>
      `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${help.replaceAll('|', '\\|')} |\n`,
  )
  return head + rows.join('')
}

if (require.main === module) writeFileSync(join(process.cwd(), page), errorPage())
