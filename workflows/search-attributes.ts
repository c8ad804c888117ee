import { defineSearchAttributeKey } from '@temporalio/common'

/** What the workflow list can be filtered by. Never customer text: Temporal stores these unencrypted. */
export const searchAttributes = {
  task: defineSearchAttributeKey('SluiceTask', 'KEYWORD'),
  environment: defineSearchAttributeKey('SluiceEnvironment', 'KEYWORD'),
  stage: defineSearchAttributeKey('SluiceStage', 'KEYWORD'),
  state: defineSearchAttributeKey('SluiceState', 'KEYWORD'),
  risk: defineSearchAttributeKey('SluiceRisk', 'KEYWORD'),
  release: defineSearchAttributeKey('SluiceRelease', 'KEYWORD'),
  candidate: defineSearchAttributeKey('SluiceCandidate', 'KEYWORD'),
}
