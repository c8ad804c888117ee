// Run by mongosh: makes the single-node replica set once, and waits until it takes writes. May run again at any time.
const notYetInitialized = 94
const attempts = 60
const pauseMs = 1000

function hasPrimary() {
  try {
    return rs.status().members.some(({ stateStr }) => stateStr === 'PRIMARY')
  } catch (error) {
    if (error.code !== notYetInitialized) throw error
    rs.initiate({ _id: 'sluice', members: [{ _id: 0, host: 'mongo:27017' }] })
    return false
  }
}

let ready = hasPrimary()
for (let attempt = 0; attempt < attempts && !ready; attempt++) {
  sleep(pauseMs)
  ready = hasPrimary()
}
if (!ready) {
  print('The replica set has no primary.')
  quit(1)
}
