import type { Rule } from '../source'
import { activityTypes } from './activity-types'
import { banRule } from './bans'
import { closureRule } from './closures'
import { cycles } from './cycles'
import { deadFiles } from './dead-files'
import { docLinks } from './doc-links'
import { docTables } from './doc-tables'
import { errorCodes } from './error-codes'
import { errorDocs } from './error-docs'
import { fileLength } from './file-length'
import { fileNames } from './file-names'
import { functionSize } from './function-size'
import { histories } from './histories'
import { imports } from './imports'
import { machinePaths } from './machine-paths'
import { registryRule } from './registries'
import { testImports } from './test-imports'
import { totalSwitches } from './total-switches'

/** Every rule of the house that a machine can check. Each has a failing fixture in test/tidy-fixtures/<name>/. */
export const rules: readonly Rule[] = [
  imports,
  activityTypes,
  closureRule,
  cycles,
  testImports,
  fileNames,
  fileLength,
  functionSize,
  totalSwitches,
  banRule,
  deadFiles,
  registryRule,
  errorDocs,
  errorCodes,
  histories,
  machinePaths,
  docLinks,
  docTables,
]
