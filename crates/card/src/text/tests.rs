mod found;
mod left;
mod masked;

use super::*;
