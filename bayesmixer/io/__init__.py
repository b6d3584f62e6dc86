"""Files in, datasets out: summary statistics, genotypes, regions, stores."""
