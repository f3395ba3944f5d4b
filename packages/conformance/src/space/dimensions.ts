/** One value that a dimension can have: a name that is part of a case's id and stays, and what it stands for. */
export interface Value<T> {
  name: string
  is: T
}

/** The dimensions of a part of the space, each with its values. The first value of each is the plain one. */
export type Dimensions<Point> = { readonly [Name in keyof Point]: readonly Value<Point[Name]>[] }

/** One choice in every dimension, and its name for messages. */
export interface Chosen<Point> {
  point: Point
  name: string
}

/**
 * Points through one value that together meet every value of every other dimension: so the points of all values of all
 * dimensions cover all pairs. The same value always gives the same points, whatever other dimensions grow: the id of a case
 * names the value, and stays.
 */
export function pointsThrough<Point extends object>(
  dimensions: Dimensions<Point>,
  dimension: keyof Point & string,
  value: string,
  most = Number.POSITIVE_INFINITY,
): Chosen<Point>[] {
  const names = Object.keys(dimensions) as (keyof Point & string)[]
  const others = names.filter(name => name !== dimension)
  const rounds = Math.max(1, ...others.map(name => dimensions[name].length))
  const fixed = dimensions[dimension].findIndex(each => each.name === value)
  return Array.from({ length: Math.min(rounds, most) }, (_, round) => {
    const point: Partial<Point> = {}
    const parts: string[] = []
    for (const [at, name] of names.entries()) {
      const values = dimensions[name]
      // Shifted by the value and the dimension, so that different values meet different combinations of the others.
      const index = name === dimension ? fixed : (round + (fixed + 1) * at) % values.length
      const chosen = values[index] as Value<Point[typeof name]>
      point[name] = chosen.is
      parts.push(`${name} ${chosen.name}`)
    }
    return { point: point as Point, name: parts.join(', ') }
  })
}
