import { ShareBudget } from './share-budget.ts'

/** Of the gets, so many may be asked of a second node because the first is late. (Dean and Barroso, The Tail at Scale, CACM 2013.) */
export function hedgeBudget(): ShareBudget {
  return new ShareBudget({ share: 0.05, savedMax: 10 })
}

/**
 * Of all requests, so many may be sent again after a node has turned them away: clients that all come again would keep
 * it overloaded for ever. (Beyer and others, Site Reliability Engineering, 2016, chapter 21.)
 */
export function overloadRetryBudget(): ShareBudget {
  return new ShareBudget({ share: 0.1, savedMax: 20 })
}
