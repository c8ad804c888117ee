import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { readConfig } from '../../src/config'
import { provisionChromium } from '../../src/embedded/chromium'
import { type ReleaseGround, releaseGround } from '../support/release-ground'
import { sendTraffic } from '../support/release-traffic'

const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const docs = join(__dirname, '../../docs/images')

describe('the Temporal UI', () => {
  let ground: ReleaseGround
  let browser: Browser
  let page: Page
  beforeAll(async () => {
    ground = await releaseGround()
    await ground.settleFirst()
    const executablePath = await provisionChromium(readConfig(), () => undefined)
    browser = await chromium.launch({ executablePath, args: quiet })
    page = await browser.newPage({ viewport: { width: 1400, height: 1000 } })
  })
  afterAll(async () => {
    await browser?.close()
    await ground.end()
  })

  test('shows stage, step, what is awaited and the arms side by side to a release manager', async () => {
    const policy = await ground.policy('shown', {
      pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 0, minimumSample: 0 },
      steps: [
        { basisPoints: 5_000, bakeMs: 500, minimumSample: 20 },
        { basisPoints: 9_500, bakeMs: 3_600_000, minimumSample: 20 },
      ],
    })
    const { id, workflowId } = await ground.start({
      ...ground.request('1.1.0', policy),
      why: 'judge transferred calls better',
    })
    const { runId } = await ground.reaches(id, (record) => record.step === 'rollout-1')
    await sendTraffic(ground.store, { task: ground.task, conversations: 200, fails: (_, index) => index % 50 === 0 })
    await ground.reaches(id, (record) => record.step === 'rollout-2')

    const ui = readConfig().temporalUiUrl
    await page.goto(`${ui}/namespaces/default/workflows/${encodeURIComponent(workflowId)}/${runId}/history`)
    await page.getByText('User Metadata').click()
    // The UI shows Markdown in frames of its own, the current details in the last one.
    const details = page.frameLocator('iframe').last()
    await details.getByText('step 4 of 4 (rollout-2)').waitFor()
    // The ratio is judged from the first counted look on: with it, the table below is there.
    await details.getByText(/sample ratio: pass/).waitFor()
    expect(await details.locator('tr').allTextContents()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/candidate\s*incumbent/),
        expect.stringMatching(/^\s*conversations\s*\d+\s*\d+/),
        expect.stringMatching(/^\s*error rate\s*\d+\.\d+ %\s*\d+\.\d+ %/),
        expect.stringMatching(/^\s*cost per request\s*\$/),
      ]),
    )
    mkdirSync(docs, { recursive: true })
    await page.screenshot({ path: join(docs, 'temporal-ui-release.png') })
  })
})
