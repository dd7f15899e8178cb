# plugins/card
