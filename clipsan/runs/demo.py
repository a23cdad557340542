"""placeholder"""


def demo(**k):
    raise NotImplementedError
