#!/bin/sh
# Creates or upgrades the two databases of Temporal's server. May run again at any time.
set -eu

versions=/etc/temporal/schema/postgresql/v12

prepare() {
  tool="temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db $1"
  $tool create
  $tool setup-schema -v 0.0
  $tool update-schema -d "$versions/$2/versioned"
}

prepare temporal temporal
prepare temporal_visibility visibility
