export const errorTable = {
  not_found: { status: 404 },
  lane_moved: { status: 409 },
} as const
