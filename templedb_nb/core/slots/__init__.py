"""Slots between which traffic is switched: what stands for one in a text, and what follows."""
