module.exports = require('./jest-ground.ts').stopGround
