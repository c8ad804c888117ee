const swc = (parser) => [
  '@swc/jest',
  { jsc: { parser: { syntax: parser }, target: 'es2022' }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
]

/** This one file of the MongoDB driver loads `os` by `import()`, which jest's sandbox refuses unless it is compiled. */
const driverAdapters = 'mongodb/lib/runtime_adapters\\.js$'

const project = (name) => ({
  displayName: name,
  rootDir: __dirname,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  transform: { '^.+\\.tsx?$': swc('typescript'), [driverAdapters]: swc('ecmascript') },
  transformIgnorePatterns: [`/node_modules/(?!${driverAdapters})`],
})

/** One project a folder of test/. */
module.exports = {
  projects: ['unit', 'property', 'contract', 'vectors', 'workflow', 'replay', 'fault', 'e2e', 'browser'].map(project),
}
