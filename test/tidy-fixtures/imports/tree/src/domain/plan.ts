import { inc } from 'semver'
import { SluiceError } from '../errors'
import { mean } from '../stats/mean'
import { openStore } from '../store/store'
import { z } from 'zod'
export const plan = [inc, SluiceError, mean, openStore, z]
