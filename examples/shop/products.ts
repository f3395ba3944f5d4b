import { setTimeout as sleep } from 'node:timers/promises'
import type { Html } from './html.ts'
import * as pictures from './pictures.ts'

export interface Product {
  id: string
  name: string
  note: string
  /** In cents. */
  price: number
  picture: Html
}

export const products: readonly Product[] = [
  { id: 'mug', name: 'Stoneware mug', note: 'Holds a third of a litre', price: 1800, picture: pictures.mug },
  {
    id: 'kettle',
    name: 'Enamel kettle',
    note: 'Sings when it is ready',
    price: 5400,
    picture: pictures.kettle,
  },
  {
    id: 'dripper',
    name: 'Pour-over set',
    note: 'Glass, cork, patience',
    price: 3900,
    picture: pictures.dripper,
  },
  {
    id: 'beans',
    name: 'House beans',
    note: '250 g, roasted today',
    price: 1150,
    picture: pictures.beans,
  },
  {
    id: 'honey',
    name: 'Linden honey',
    note: 'From the hives next door',
    price: 950,
    picture: pictures.honey,
  },
  { id: 'bread', name: 'Bread board', note: 'Ash, oiled by hand', price: 3200, picture: pictures.bread },
]

export function findProduct(id: string | null): Product | undefined {
  return products.find(product => product.id === id)
}

/**
 * Asks the warehouse, which takes its time. The requests of one visitor overlap here: a session that is saved whole,
 * last writer wins, loses items.
 */
export async function inStock(_product: Product): Promise<boolean> {
  await sleep(40)
  return true
}
