import { type TestApi, testApi } from '../support/api'
import { until } from '../support/until'

it('joins told values also where conversations end faster than they are sealed', async () => {
  let joined = 0
  const api: TestApi = await testApi((store) => ({
    ...store,
    telemetry: {
      ...store.telemetry,
      seal: () => new Promise((resolve) => setImmediate(resolve, 1)),
      async join() {
        joined += 1
        return 0
      },
    },
  }))
  await until('values are joined', async () => joined > 1)
  await api.stop()
})
