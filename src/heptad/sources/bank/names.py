# SPDX-License-Identifier: Apache-2.0
"""The words that people, streets, employers and shops of the simulated world are named with."""

from __future__ import annotations

FIRST = (
    "Ana", "Luis", "María", "José", "Lucía", "Carlos", "Elena", "Javier", "Inês", "João", "Sofia",
    "Tiago", "Camille", "Hugo", "Chloé", "Lucas", "Manon", "René", "Anna", "Jürgen", "Käthe",
    "Paul", "Lena", "Jonas", "Greta", "Björn", "Giulia", "Marco", "Chiara", "Paolo", "Sara",
    "Matteo", "Daan", "Emma", "Sem", "Noor", "Aoife", "Sean", "Niamh", "Conor", "Eleni", "Nikos",
    "Maria", "Giorgos", "Aino", "Mika", "Veera", "Antti", "Zoé", "Amélie", "Óscar", "Íñigo",
    "Ondina", "Álvaro", "Begoña", "Françoise", "Günther", "Renée", "Lars", "Ines", "Omar", "Leila",
    "Wei", "Amina",
)  # fmt: skip
LAST = (
    "García", "Fernández", "López", "Muñoz", "Núñez", "Peña", "Ibáñez", "Castro", "Silva",
    "Gonçalves", "Araújo", "Martin", "Lefèvre", "Dubois", "Moreau", "Garçon", "Müller", "Schäfer",
    "Weiß", "Krüger", "Schulz", "Vogel", "Rossi", "Bianchi", "Esposito", "D'Angelo", "Ricci",
    "de Vries", "van Dijk", "Jansen", "Peeters", "O'Brien", "Murphy", "Kelly", "Pappas",
    "Nikolaou", "Virtanen", "Mäkinen", "Nieminen", "Huber", "Gruber", "Steiner", "Haddad", "Chen",
    "Nowak", "Popescu", "Larsen", "Díaz", "Sáez", "Vidal", "Ferrer", "Roca", "Soler", "Campos",
    "Prieto", "Lozano", "Vega", "Ramos", "Gil", "Serrano", "Iglesias", "Cano", "Marín", "Ortiz",
)  # fmt: skip
SHOPS = (
    "Alba", "Boreal", "Canela", "Delta", "Estrella", "Faro", "Girasol", "Horizonte", "Índigo",
    "Jardín", "König", "Lumière", "Mosaico", "Nórdica", "Océano", "Piñón", "Quinta", "Rosée",
    "Sírius", "Tulipán", "Übersee", "Verde", "Winkel", "Zénith",
)  # fmt: skip
INDUSTRIES = ("47.11", "56.10", "62.01", "86.10", "85.31", "49.41", "25.62", "41.20", "84.11")
"""Divisions of NACE Rev. 2 in which employers work."""
PURPOSES = (
    "car", "home improvement", "furniture", "travel", "education", "medical", "debt consolidation",
    "working capital",
)  # fmt: skip
