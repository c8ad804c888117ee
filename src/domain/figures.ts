import { type GroupedEstimate, meanOfRatios, type RatioSums } from '../stats/grouped-ratio'

/** Part → count, of one case or summed up; parts that are absent are zero. */
export type Parts = Readonly<Record<string, number>>

/** Two weighted sums of parts, one over the other: F1 is `{ tp: 2 }` over `{ tp: 2, fp: 1, fn: 1 }`. */
export interface Ratio {
  readonly over: Parts
  readonly under: Parts
}

/** A figure over all cases, such as a precision: the mean of its ratios (several: a macro average). */
export interface Figure {
  readonly name: string
  readonly ratios: readonly Ratio[]
}

/** A figure of one scorer as it was measured, with its 95 % interval by group. */
export interface FigureEstimate extends GroupedEstimate {
  /** Name of the score within the suite. */
  readonly scorer: string
  readonly figure: string
}

/** Distinct parts of one scorer that are followed; further ones are left out. */
const maxParts = 10_000
/** Figures of one scorer that are told. */
const maxFigures = 200

/** Sums up the parts of one scorer by group, case by case; up to `maxParts` the order changes nothing. */
export class FigureFold {
  private readonly groups = new Map<string, number>()
  private readonly sums = new Map<string, number[]>()

  add(group: string, parts: Parts): void {
    const place = this.groups.get(group) ?? this.groups.size
    this.groups.set(group, place)
    for (const [part, count] of Object.entries(parts)) {
      const known = this.sums.get(part)
      if (!known && this.sums.size >= maxParts) continue
      const sums = known ?? []
      this.sums.set(part, sums)
      sums[place] = (sums[place] ?? 0) + count
    }
  }

  /** Figures without a case that they are about are left out. */
  estimates(scorer: string, figuresOf: (parts: readonly string[]) => readonly Figure[]): readonly FigureEstimate[] {
    return figuresOf([...this.sums.keys()].sort())
      .slice(0, maxFigures)
      .flatMap(({ name, ratios }) => {
        const estimate = meanOfRatios(ratios.map((ratio) => this.ratioSums(ratio)))
        return estimate ? [{ scorer, figure: name, ...estimate }] : []
      })
  }

  private ratioSums({ over, under }: Ratio): RatioSums {
    return { over: this.weighted(over), under: this.weighted(under) }
  }

  private weighted(weights: Parts): readonly number[] {
    const total = new Array<number>(this.groups.size).fill(0)
    for (const [part, weight] of Object.entries(weights)) {
      const sums = this.sums.get(part) ?? []
      for (let place = 0; place < total.length; place += 1) {
        total[place] = (total[place] ?? 0) + weight * (sums[place] ?? 0)
      }
    }
    return total
  }
}
