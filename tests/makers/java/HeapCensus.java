import java.io.File;
import java.util.*;
import org.graalvm.visualvm.lib.jfluid.heap.*;

/** Prints what VisualVM's heap library sees in a heap dump: totals, classes, arrays' lengths, GC roots, threads' stacks. */
public class HeapCensus {
  public static void main(String[] arguments) throws Exception {
    Heap heap = HeapFactory.createHeap(new File(arguments[0]));
    HeapSummary summary = heap.getSummary();
    System.out.println("instances " + summary.getTotalLiveInstances() + " bytes " + summary.getTotalLiveBytes());
    Map<String, Integer> roots = new TreeMap<>();
    List<String> lines = new ArrayList<>();
    for (Object each : heap.getGCRoots()) {
      GCRoot root = (GCRoot) each;
      roots.merge(root.getKind(), 1, Integer::sum);
      if (root instanceof ThreadObjectGCRoot) {
        StackTraceElement[] stack = ((ThreadObjectGCRoot) root).getStackTrace();
        Instance thread = root.getInstance(); // null where the dump lacks the object
        String name = thread == null ? "unknown" : Long.toHexString(thread.getInstanceId());
        lines.add("thread " + name + " " + Arrays.toString(stack));
      }
    }
    lines.add("roots " + roots);
    for (Object each : heap.getAllClasses()) {
      JavaClass type = (JavaClass) each;
      JavaClass parent = type.getSuperClass();
      lines.add("class " + type.getName() + " extends " + (parent == null ? "nothing" : parent.getName())
          + " instances " + type.getInstancesCount() + " bytes " + type.getAllInstancesSize()
          + " fields " + type.getFields().size() + " statics " + type.getStaticFieldValues().size());
    }
    for (Object each : heap.getJavaClassByName("java.lang.String").getInstances()) {
      Instance string = (Instance) each;
      Object value = string.getValueOfField("value");
      int length = value == null ? -1 : ((PrimitiveArrayInstance) value).getLength();
      lines.add("string " + Long.toHexString(string.getInstanceId()) + " length " + length);
    }
    Collections.sort(lines);
    lines.forEach(System.out::println);
  }
}
