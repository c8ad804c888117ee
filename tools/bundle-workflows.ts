import { buildWorkflowBundle } from '../src/embedded/workflow-bundle'

/** `node dist/tools/bundle-workflows.js <output>`: the bundle production workers start from. */
async function main(output: string | undefined): Promise<number> {
  if (output === undefined) {
    console.error('Usage: node dist/tools/bundle-workflows.js <output>')
    return 2
  }
  return (await buildWorkflowBundle(output)) ? 0 : 1
}

void main(process.argv[2]).then((code) => {
  process.exitCode = code
})
