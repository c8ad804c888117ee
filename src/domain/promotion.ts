import { prerelease } from 'semver'

export const isPreRelease = (semver: string): boolean => prerelease(semver) !== null

/** An experiment is a pre-release, or a version under a name of its own. */
export const isExperiment = (
  { name, semver }: { readonly name: string; readonly semver: string },
  release: { readonly name: string },
): boolean => isPreRelease(semver) || name !== release.name
