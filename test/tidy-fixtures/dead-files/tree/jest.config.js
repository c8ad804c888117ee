module.exports = { globalSetup: '<rootDir>/test/support/set-up.ts' }
