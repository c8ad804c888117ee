// What `npm run demo`, `npm test` and `npm start` run. It needs Node alone: it installs, builds, then goes on.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Sluice needs Node 20.19 or later; this is ${process.versions.node}. Install it from https://nodejs.org.`,
  )
  process.exit(1)
}
if (process.platform === 'win32') {
  console.error('Sluice runs on Linux and macOS. On Windows, use the Windows Subsystem for Linux.')
  process.exit(1)
}
const { main } = await import('./bootstrap.mjs')
process.exitCode = await main(process.argv.slice(2))
