export { release } from './release'
export {
  campaign,
  type CampaignInput,
} from './campaign'
export type { ReleaseInput } from './release'
