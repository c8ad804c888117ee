const swc = (parser) => [
  '@swc/jest',
  { jsc: { parser: { syntax: parser }, target: 'es2022' }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
]

/** This one file of the MongoDB driver loads `os` by `import()`, which jest's sandbox refuses unless it is compiled. */
const driverAdapters = 'mongodb/lib/runtime_adapters\\.js$'

const project = (name, setup = 'ground-setup') => ({
  displayName: name,
  rootDir: __dirname,
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.sluice/'],
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  transform: { '^.+\\.tsx?$': swc('typescript'), [driverAdapters]: swc('ecmascript') },
  transformIgnorePatterns: [`/node_modules/(?!${driverAdapters})`],
  // Jest's sandbox looks every other global up anew at each use: simulations take a third less time with this one injected.
  sandboxInjectedGlobals: ['Math'],
  globalSetup: `<rootDir>/test/support/${setup}.js`,
  globalTeardown: '<rootDir>/test/support/ground-teardown.js',
  setupFiles: ['<rootDir>/test/support/async-storages.js'],
  setupFilesAfterEnv: ['<rootDir>/test/support/timeouts.js'],
})

/**
 * Servers that die and come back, and cuts at every write: minutes each. `npm run test:fault` and `npm run test:full`, which CI
 * runs, take them, and whoever names one; `npm test` kills the worker once in each stage.
 */
const longFaults = ['cut-routes', 'flush-killed', 'garbage-killed', 'push-killed', 'servers-killed', 'shadow-killed']

const fault = () => {
  const isFull = process.env.SLUICE_TEST_FULL === '1'
  const isNamed = longFaults.some((name) => process.argv.some((word) => word.includes(name)))
  const left = isFull || isNamed ? [] : [`/test/fault/(${longFaults.join('|')})\\.test\\.ts$`]
  return { ...project('fault', 'bundle-setup'), testPathIgnorePatterns: ['/node_modules/', ...left] }
}

/** The rules of the house need no servers. */
const tidy = () => {
  const { globalSetup: _setup, globalTeardown: _teardown, ...plain } = project('tidy')
  return { ...plain, testMatch: ['<rootDir>/test/tidy.test.ts'] }
}

/** One project a folder of test/. Much of the time they wait for servers, so a few run at once on two cores. */
module.exports = {
  projects: [
    tidy(),
    project('unit'),
    project('property'),
    project('contract'),
    project('vectors'),
    project('workflow', 'bundle-setup'),
    project('replay', 'bundle-setup'),
    fault(),
    project('e2e', 'bundle-setup'),
    project('browser', 'bundle-setup'),
  ],
  maxWorkers: 4,
  reporters: ['default', '<rootDir>/test/support/tally-reporter.js'],
}
