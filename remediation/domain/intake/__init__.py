"""Read inventory files strictly and compare them with the current inventory.

Readers turn Backstage, Kubernetes, docker-compose and CSV files into `stated.Stated`;
`changes.compare` returns the changes.
"""
