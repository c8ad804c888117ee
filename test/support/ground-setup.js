module.exports = require('./jest-ground.ts').startGround
