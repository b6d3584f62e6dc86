"""What tests of mash share with those of LD score regression: small summary statistics."""

from tests.ldsc.conftest import small as small
