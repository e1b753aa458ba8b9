"""What files say about the inventory: read strictly, compared with what stands, never guessed.

Backstage, Kubernetes, docker-compose and CSV become `stated.Stated`; `changes.compare` says what
would be different. Pure: bytes go in, facts and refusals come out.
"""
