const { writeFileSync } = require('node:fs')

/** Writes how many tests passed, failed and were skipped to the file SLUICE_TALLY names; tools/tests.mjs prints it. */
class TallyReporter {
  onRunComplete(_contexts, results) {
    const path = process.env.SLUICE_TALLY
    if (!path) return
    writeFileSync(
      path,
      JSON.stringify({
        passed: results.numPassedTests,
        // A file that could not even be loaded counts as one failure.
        failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
        skipped: results.numPendingTests + results.numTodoTests,
      }),
    )
  }
}

module.exports = TallyReporter
