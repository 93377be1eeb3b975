import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.apache.lucene.codecs.KnnVectorsFormat;
import org.apache.lucene.codecs.lucene104.Lucene104Codec;
import org.apache.lucene.codecs.lucene104.Lucene104HnswScalarQuantizedVectorsFormat;
import org.apache.lucene.codecs.lucene99.Lucene99HnswVectorsFormat;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.KnnFloatVectorField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.index.VectorSimilarityFunction;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.KnnFloatVectorQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.RescoreTopNQuery;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.store.MMapDirectory;
import org.apache.lucene.util.quantization.QuantizedByteVectorValues.ScalarEncoding;

/**
 * Lucene's side of lucene.py: build VARIANT INDEX BASE.npy, or search VARIANT INDEX QUERIES.npy
 * ANSWERS, which reads requests "THREADS KNOB SECONDS", one a line, and answers each with
 * "QPS P50_MS". Of the first over a knob it also writes the answers, big-endian int32.
 */
class Lucene {
  static final int K = 10, LINKS = 16, BEAM = 100; // Lucene's own
  static final double WARM_UP = 3; // seconds, once, for the compiler
  static final Pattern SHAPE = Pattern.compile("\\((\\d+), (\\d+)\\)");

  /** The rows of a .npy file of float32. */
  static float[][] read(String path) throws Exception {
    try (FileChannel file = FileChannel.open(Path.of(path))) {
      ByteBuffer start = ByteBuffer.allocate(10).order(ByteOrder.LITTLE_ENDIAN);
      file.read(start, 0);
      byte[] header = new byte[start.getShort(8)];
      file.read(ByteBuffer.wrap(header), 10);
      var shape = SHAPE.matcher(new String(header));
      shape.find();
      float[][] rows = new float[Integer.parseInt(shape.group(1))][Integer.parseInt(shape.group(2))];
      ByteBuffer row = ByteBuffer.allocate(4 * rows[0].length).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < rows.length; i++) {
        file.read(row.clear(), 10 + header.length + (long) i * row.capacity());
        row.flip().asFloatBuffer().get(rows[i]);
      }
      return rows;
    }
  }

  static KnnVectorsFormat format(String variant) {
    ScalarEncoding bit = ScalarEncoding.SINGLE_BIT_QUERY_NIBBLE;
    return switch (variant) {
      case "hnsw" -> new Lucene99HnswVectorsFormat(LINKS, BEAM);
      case "bbqhnsw" -> new Lucene104HnswScalarQuantizedVectorsFormat(bit, LINKS, BEAM);
      // No segment is large enough for a graph.
      case "bbqflat" -> new Lucene104HnswScalarQuantizedVectorsFormat(bit, LINKS, BEAM, 1, null, Integer.MAX_VALUE);
      default -> throw new IllegalArgumentException(variant);
    };
  }

  static void build(String variant, String index, String base) throws Exception {
    IndexWriterConfig config = new IndexWriterConfig()
        .setMergePolicy(new LogDocMergePolicy()) // which keeps the order of rows
        .setRAMBufferSizeMB(1024)
        .setUseCompoundFile(false)
        .setCodec(new Lucene104Codec() {
          @Override
          public KnnVectorsFormat getKnnVectorsFormatForField(String field) {
            return format(variant);
          }
        });
    try (MMapDirectory folder = new MMapDirectory(Path.of(index)); IndexWriter writer = new IndexWriter(folder, config)) {
      for (float[] row : read(base)) {
        Document document = new Document();
        document.add(new KnnFloatVectorField("v", row, VectorSimilarityFunction.DOT_PRODUCT));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
      writer.commit();
    }
  }

  final IndexSearcher searcher;
  final boolean codes;
  final double[] latencies = new double[1 << 20]; // ms of the last run

  Lucene(IndexSearcher searcher, boolean codes) {
    this.searcher = searcher;
    this.codes = codes;
  }

  int[] search(float[] vector, int knob) throws Exception {
    Query query = new KnnFloatVectorQuery("v", vector, knob);
    if (codes) {
      query = RescoreTopNQuery.createFullPrecisionRescorerQuery(query, vector, "v", K);
    }
    int[] rows = new int[K];
    Arrays.fill(rows, -1);
    ScoreDoc[] found = searcher.search(query, K).scoreDocs;
    for (int i = 0; i < found.length; i++) {
      rows[i] = found[i].doc;
    }
    return rows;
  }

  /** Searches from some threads, over and over, for so long; fills answers. Returns QPS and the median in ms. */
  double[] run(float[][] queries, int threads, int knob, double seconds, int[][] answers) throws Exception {
    AtomicInteger next = new AtomicInteger();
    long start = System.nanoTime(), end = start + (long) (seconds * 1e9);
    Thread[] workers = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      workers[t] = new Thread(() -> {
        try {
          while (System.nanoTime() < end || next.get() < answers.length) {
            int i = next.getAndIncrement();
            long began = System.nanoTime();
            int[] rows = search(queries[i % queries.length], knob);
            latencies[i % latencies.length] = (System.nanoTime() - began) / 1e6;
            if (i < answers.length) {
              answers[i] = rows;
            }
          }
        } catch (Exception problem) {
          problem.printStackTrace();
          System.exit(1);
        }
      });
      workers[t].start();
    }
    for (Thread worker : workers) {
      worker.join();
    }
    double took = (System.nanoTime() - start) / 1e9;
    int count = Math.min(next.get(), latencies.length);
    Arrays.sort(latencies, 0, count);
    return new double[] {next.get() / took, latencies[count / 2]};
  }

  static void serve(String variant, String index, String path, String answers) throws Exception {
    float[][] queries = read(path);
    var requests = new BufferedReader(new InputStreamReader(System.in));
    var seen = new java.util.HashSet<Integer>();
    try (MMapDirectory folder = new MMapDirectory(Path.of(index)); DirectoryReader reader = DirectoryReader.open(folder)) {
      IndexSearcher searcher = new IndexSearcher(reader);
      searcher.setQueryCache(null);
      Lucene lucene = new Lucene(searcher, !variant.equals("hnsw"));
      for (String line = requests.readLine(); line != null; line = requests.readLine()) {
        String[] request = line.split(" ");
        int threads = Integer.parseInt(request[0]), knob = Integer.parseInt(request[1]);
        if (seen.isEmpty()) {
          lucene.run(queries, threads, knob, WARM_UP, new int[0][]);
        }
        if (seen.add(knob)) {
          int[][] found = new int[queries.length][];
          lucene.run(queries, threads, knob, 0, found);
          try (var out = new DataOutputStream(new java.io.BufferedOutputStream(new FileOutputStream(answers)))) {
            for (int[] rows : found) {
              for (int row : rows) {
                out.writeInt(row);
              }
            }
          }
        }
        double[] measured = lucene.run(queries, threads, knob, Double.parseDouble(request[2]), new int[0][]);
        System.out.println(measured[0] + " " + measured[1]);
      }
    }
  }

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "build" -> build(args[1], args[2], args[3]);
      case "search" -> serve(args[1], args[2], args[3], args[4]);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }
}
