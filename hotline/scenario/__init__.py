"""The St Brannoc exercise: real processes on loopback, played through the desks as officers would."""
