/** The search attributes releases are found by in Temporal's UI; all of type Keyword, none holds customer text. */
export const searchAttributes = [
  'SluiceTask',
  'SluiceEnvironment',
  'SluiceStage',
  'SluiceState',
  'SluiceRisk',
  'SluiceRelease',
  'SluiceCandidate',
] as const
