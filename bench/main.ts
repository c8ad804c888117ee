import { benchResolve } from './resolve'

benchResolve().then((found) => {
  for (const f of found) {
    console.log(f.about)
    console.table(f.rows)
  }
})
