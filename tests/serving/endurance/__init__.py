"""What a model server must survive for weeks, in minutes: swaps and reloads under load, and requests of any kind.

    pytest tests/serving/endurance --hypothesis-profile=thorough

sends 20,000 malformed requests; without the profile, some hundred of each kind.
"""
