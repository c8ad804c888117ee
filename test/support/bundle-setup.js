module.exports = require('./jest-ground.ts').startGroundWithBundle
