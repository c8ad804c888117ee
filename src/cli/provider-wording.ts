import { type ProviderChange, pairText, type SuspectedChange } from '../domain/provider-change'
import { agoText, countText, shortDigest } from './wording'

/** `sha256:4f0c… returns sim-large (fp_2) instead of sim-large (fp_1), since 3 h ago`. */
export function changeText({ composite, judge, from, to, at }: ProviderChange): string {
  const before = from.map(pairText).join(' or ') || 'nothing'
  return `${judge ? 'the judge ' : ''}${shortDigest(composite)} returns ${pairText(to)} instead of ${before}, since ${agoText(at)}`
}

export function suspicionText({ composite, to, principals, conversations }: SuspectedChange): string {
  const told = `${countText(principals, 'API key')} in ${countText(conversations, 'conversation')}`
  return `${shortDigest(composite)} is said to return ${pairText(to)} (by ${told})`
}
